"""Tiers: what is used once is interpreted, what is used again and again is compiled."""
