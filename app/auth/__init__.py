"""The admin password and the other credentials of the API, kept in one file that belongs to the web process.

This package stands apart from the HTTP API: ``python -m app auth`` sets the password while the gateway starts, and must
not load a web server for that. Signing in over HTTP is in :mod:`app.api.auth`.
"""
