"""What uvicorn serves. ASGI, because under WSGI an asynchronous stream is collected before it is sent."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "web.settings")
application = get_asgi_application()
