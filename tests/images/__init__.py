"""The worker images, each in its real container: what the documentation promises of them is there and works."""
