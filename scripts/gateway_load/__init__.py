"""Both ends of the gateway's load test, and the proxies that are put between them."""
