"""The formulas of `refute economics` against simulation and against the contracts."""
