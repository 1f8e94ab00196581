"""A small virtual machine whose root file system is shared by 9p and whose steps come by a serial port."""
