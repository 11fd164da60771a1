//! bgp-agent.conf, the oslo.config dialect, into typed configuration.
