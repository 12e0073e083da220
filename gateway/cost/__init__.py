"""What requests cost: the work they caused at its prices, their part of the machine, and the energy it took."""

from gateway.cost.model import Cost, cost_of, expected_amount

__all__ = ["Cost", "cost_of", "expected_amount"]
