"""VPC networks: subnetworks, routes, routers, firewalls, peerings, addresses."""
