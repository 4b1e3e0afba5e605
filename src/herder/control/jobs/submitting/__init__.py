"""Submission: from what a person sent to classes, payloads and groups, all or none."""
