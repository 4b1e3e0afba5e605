"""The settings of pools and templates: fields, bounds, presets, contradictions."""
