"""Messages between agents over MQTT: a convenience. Every guarantee holds from the chain alone."""
