"""Every I/O configuration that the thesis compares (Table 6.4), deployed, proved and taken away in the emulated server.

``make test-matrix`` runs what is left of it; ``make matrix-table`` prints what was found.
"""
