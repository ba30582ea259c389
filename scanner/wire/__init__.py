"""Grammars without opinions: how bytes are laid out, never whether that is good or bad."""
