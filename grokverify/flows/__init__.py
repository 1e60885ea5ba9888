"""Exact reductions of gradient descent and gradient flow, one family a file."""
