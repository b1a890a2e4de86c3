"""Policy: schema, loading with line-numbered errors, and resolution per tenant, room type and role."""

from models.lexicon.source import InvalidSourceError as PolicyError
from models.lexicon.source import Problem
from models.policy.load import Policies, check, load_policy, parse_policy, starter_policy
from models.policy.resolve import Rules
from models.policy.schema import RANK, Policy, Rule, Step, policy_json_schema

__all__ = [
    "RANK", "Policies", "Policy", "PolicyError", "Problem", "Rule", "Rules", "Step", "check", "load_policy",
    "parse_policy", "policy_json_schema", "starter_policy",
]  # fmt: skip
