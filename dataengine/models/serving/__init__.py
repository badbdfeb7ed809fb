"""Clients of model servers: chat messages in, completions out; rate limits, retries and a cache of what was paid for."""
