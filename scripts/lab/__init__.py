"""A small Internet on one machine: a phone, a resolver, a collector, a web server.

It never touches the network of the machine it runs on, and everything it starts lives in
namespaces that the kernel takes down with the first process.
"""
