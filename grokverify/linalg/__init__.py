"""Linear algebra whose answers are proofs: exact ranks, and certified bounds in float64."""
