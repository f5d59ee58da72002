"""The rules of the field, before anything is run: is there enough text, will it fit, how many steps?"""

from novelray.plan.memory import Memory, Strategy, estimate, strategy_of, trained_parameters
from novelray.plan.plan import Facts, Finding, Plan, StagePlan, big_bytes, lines, plan, remedy_text
from novelray.plan.rates import unusual_rates
from novelray.plan.remedy import ROOM, Remedy, first_fit
from novelray.plan.shape import ModelShape, lora_parameters, parameters, shape_of, shape_of_scratch

__all__ = [
    "ROOM", "Facts", "Finding", "Memory", "ModelShape", "Plan", "Remedy", "StagePlan", "Strategy", "big_bytes",
    "estimate", "first_fit", "lines", "lora_parameters", "parameters", "plan", "remedy_text", "shape_of",
    "shape_of_scratch", "strategy_of", "trained_parameters", "unusual_rates",
]  # fmt: skip
