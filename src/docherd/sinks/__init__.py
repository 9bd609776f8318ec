"""The formats results end up in, one file each."""
