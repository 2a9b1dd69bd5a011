"""The acts of the demo, on one stage: the digits, and a sentence."""
