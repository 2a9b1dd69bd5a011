"""The dispute game in z3: who may move and until when, who wins, who is paid; `python -m tests.formal` proves it.

`table.py` has the moves, `ledger.py` clocks and money, `truth.py` what is true of what is in dispute, and `theorems.py`
what is proven. Hashes, tensors and calldata are left out; `test_proofs.py` holds the model to the code.
"""
