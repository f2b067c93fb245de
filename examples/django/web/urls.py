"""The routes."""

from django.urls import path

from web import views

urlpatterns = [
    path("", views.index),
    path("stream", views.stream),
    path("sse", views.sse),
    path("echo", views.echo),
    path("file", views.file),
]
