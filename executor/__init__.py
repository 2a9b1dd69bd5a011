"""The executor: answers requests for inference, and defends its answers."""
