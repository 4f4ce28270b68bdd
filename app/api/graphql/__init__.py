"""``/graphql``: the same gateway, asked for just what is wanted, in one request.

strawberry is imported with the first request, not before: most gateways never see one, and it takes 10 MB.
"""
