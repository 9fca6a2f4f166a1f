"""Every write of the workers side, by name. Nothing here imports torch until a run is executed."""

from workers.services.base_models import base_model_check, base_model_free
from workers.services.endings import run_cancel, run_cancelled, run_fail, run_put_back, run_retry, run_succeed
from workers.services.execution import run_drain, run_execute
from workers.services.generation import generation_start
from workers.services.prompts import prompts_freeze
from workers.services.recovery import runs_recover, runs_wake
from workers.services.registry import model_get, model_newest, model_promote, policy_current, project_anchor
from workers.services.rounds import round_advance, round_start
from workers.services.runs import run_claim, run_create
from workers.services.templates import project_format, template_check

__all__ = [
    "base_model_check",
    "base_model_free",
    "generation_start",
    "model_get",
    "model_newest",
    "model_promote",
    "policy_current",
    "project_anchor",
    "project_format",
    "prompts_freeze",
    "round_advance",
    "round_start",
    "run_cancel",
    "run_cancelled",
    "run_claim",
    "run_create",
    "run_drain",
    "run_execute",
    "run_fail",
    "run_put_back",
    "run_retry",
    "run_succeed",
    "runs_recover",
    "runs_wake",
    "template_check",
]
