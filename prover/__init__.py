"""The pure core of Refute: integer programs, their kernels, traces and proofs, and the dispute game."""
