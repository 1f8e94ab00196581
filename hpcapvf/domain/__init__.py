"""Plan to libvirt XML and cloud-init text."""
