"""The version, apart so that everybody can ask for it."""

__version__ = "0.1.0"
