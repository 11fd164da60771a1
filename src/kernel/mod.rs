//! Links, addresses, rules, routes, neighbours, sysctls: observe and apply.
