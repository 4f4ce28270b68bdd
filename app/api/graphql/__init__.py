"""The GraphQL endpoint ``/graphql``: any selection of the API's data in one request.

strawberry is imported at the first request, because it takes 10 MB and most gateways never see one.
"""
