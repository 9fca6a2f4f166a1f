"""What a chip could do at most: by its name where the table has it, else as measured here.

Run as `python -m bench.races.chips DEVICE DTYPE`, it prints JSON.
"""

import json
import sys
import time
from pathlib import Path

import torch

PEAKS = {
    "B200": 2250.0, "H200": 989.0, "H100 PCIe": 756.0, "H100 NVL": 835.0, "H100": 989.0, "A100": 312.0, "L40S": 362.0,
    "L40": 181.0, "L4": 121.0,
    "A10": 125.0, "A6000": 155.0, "RTX 4090": 165.0, "RTX 3090": 71.0, "V100": 125.0, "T4": 65.0,
}  # fmt: skip
"""Dense half-precision TFLOP/s with fp32 accumulation, from the makers' data sheets; the first that fits counts."""


DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def chip_name(device: str) -> str:
    """The maker's name of the accelerator, or of the processor."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))


def peak_flops(name: str) -> float | None:
    """FLOP/s of the chip called ``name``; None for one that is not in the table."""
    return next((peak * 1e12 for chip, peak in PEAKS.items() if chip.lower() in name.lower()), None)


def measured_flops(device: str, dtype: torch.dtype, size: int = 2048, seconds: float = 1.0) -> float:
    """FLOP/s of square matrix products on this machine, now: what a step could reach at most where no table tells."""
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))

    def multiply() -> None:
        torch.mm(left, right)
        if device == "cuda":
            torch.cuda.synchronize()

    multiply()
    count, started = 0, time.monotonic()
    while time.monotonic() - started < seconds:
        multiply()
        count += 1
    return 2 * size**3 * count / (time.monotonic() - started)


def main() -> None:
    device, dtype = sys.argv[1], sys.argv[2]
    name = chip_name(device)
    # The table is of half precision.
    known = peak_flops(name) if dtype == "bf16" else None
    print(json.dumps({"name": name, "table": known, "measured": measured_flops(device, DTYPES[dtype])}))


if __name__ == "__main__":
    main()
