"""The admin password and everything that opens the API: kept in one file that belongs to the web process.

It stands apart from the HTTP API: ``python -m app auth`` sets the password while the gateway starts, and must not load
a web server for it. How people sign in over HTTP is :mod:`app.api.auth`.
"""
