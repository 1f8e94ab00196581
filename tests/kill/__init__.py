"""Kill tests: the process or the host dies at every effect of every configuration, then ``hpcapvf recover``."""
