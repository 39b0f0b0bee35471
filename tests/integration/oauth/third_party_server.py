"""An OAuth server that nobody here wrote: django-oauth-toolkit with its device grant, on a loopback port.

``python -m tests.integration.oauth.third_party_server PORT FOLDER``. A middleware signs every browser in as
alice; all else (endpoints, pages, polling rules, rotation) is the toolkit's own.
"""

from __future__ import annotations

import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings
from django.urls import include, path

CLIENT_ID = "third-party-client"
urlpatterns: list = []


class AlwaysAlice:
    """The person before the browser."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        from django.contrib.auth import get_user_model

        request.user = get_user_model().objects.get(username="alice")
        return self.get_response(request)


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        return


def main(port: int, folder: str) -> None:
    settings.configure(
        SECRET_KEY="only-for-this-test",
        ALLOWED_HOSTS=["*"],
        DEBUG=False,
        ROOT_URLCONF=__name__,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "oauth2_provider"],
        MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware", f"{__name__}.AlwaysAlice"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/server.sqlite3"}},
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
            }
        ],
        OAUTH2_PROVIDER={
            "OAUTH_DEVICE_VERIFICATION_URI": f"http://127.0.0.1:{port}/o/device/",
            "SCOPES": {"read": "Read", "write": "Write"},
            "DEVICE_FLOW_INTERVAL": 1,
            "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 0,
        },
    )
    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application
    from oauth2_provider.models import get_application_model

    urlpatterns.append(path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")))
    call_command("migrate", verbosity=0)
    alice = get_user_model().objects.create_user("alice")
    application = get_application_model()
    application.objects.create(
        client_id=CLIENT_ID,
        name="Gateway",
        user=alice,
        client_type=application.CLIENT_PUBLIC,
        authorization_grant_type=application.GRANT_DEVICE_CODE,
    )
    with make_server("127.0.0.1", port, get_wsgi_application(), Server, Quiet) as server:
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    sys.modules["tests.integration.oauth.third_party_server"] = sys.modules["__main__"]
    __name__ = "tests.integration.oauth.third_party_server"
    main(int(sys.argv[1]), sys.argv[2])
