"""What stake, bond and window make cheating a loss and honest watching worthwhile: docs/economics.md.

Amounts are wei, times seconds, shares of a stake basis points, probabilities floats. Every formula is a function of its
own, with its source; `scenario` holds what they are asked about, `report` their answers.
"""
