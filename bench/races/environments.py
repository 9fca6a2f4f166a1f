"""The peers' throwaway virtual environments: made once in a folder, used again while what they hold is wanted."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TORCH = "torch==2.13.0"


@dataclass(frozen=True)
class Environment:
    """A peer's packages; torch is installed first, so that nothing else brings another build of it."""

    name: str
    packages: tuple[str, ...]


OLD = Environment(
    "trl-0.11.4",
    (
        "trl==0.11.4", "transformers==4.45.*", "peft==0.13.*", "accelerate==1.0.*", "datasets==3.0.*", "numpy<2",
        "pyarrow<19", "pandas<2.3", "rich", "safetensors",
    ),
)  # fmt: skip
NEW = Environment("trl-1.16.0", ("trl==1.16.0", "transformers==5.23.*", "peft==0.21.*", "accelerate==1.15.*"))


def python_of(environment: Environment, folder: Path) -> Path:
    """The environment's interpreter; made when ``folder`` does not hold it whole yet."""
    home = folder / environment.name
    python, done = home / "bin" / "python", home / "installed"
    wanted = "\n".join((TORCH, *environment.packages))
    if done.exists() and done.read_text(encoding="utf-8") == wanted:
        return python
    print(f"Making {home}: a few minutes the first time.", file=sys.stderr, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    numpy = [package for package in environment.packages if package.startswith("numpy")]
    subprocess.run([*pip, TORCH, *numpy], check=True)
    subprocess.run([*pip, *environment.packages], check=True)
    done.write_text(wanted, encoding="utf-8")
    return python
