"""The dispute as a pure state machine: positions, moves, rules, players, and a simulator that needs no chain."""
