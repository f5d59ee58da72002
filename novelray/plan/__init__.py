"""The rules of the field, before anything is run: is there enough text, will it fit, how many steps?"""

from novelray.plan.memory import Memory, Strategy, estimate
from novelray.plan.plan import Facts, Finding, Plan, StagePlan, lines, plan
from novelray.plan.shape import ModelShape, lora_parameters, parameters, shape_of, shape_of_scratch

__all__ = [
    "Facts", "Finding", "Memory", "ModelShape", "Plan", "StagePlan", "Strategy", "estimate", "lines", "lora_parameters",
    "parameters", "plan", "shape_of", "shape_of_scratch",
]  # fmt: skip
