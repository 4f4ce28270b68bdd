"""Policies in force: exceptions, schedules and groups, and the connections that end when a policy changes."""
