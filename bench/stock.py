"""The same list and the same bulk creation as a tutorial writes them: ModelSerializer, generic views, stock parsers.

Authentication, tenant scope and joins are the same as ours; what differs is the way rows become JSON and back.
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import path
from rest_framework import generics, pagination, parsers, renderers, serializers
from rest_framework.request import Request

from config.urls import urlpatterns as product
from core import scope
from core.api.authentication import BearerAuthentication
from tasks.models import Batch, Task


class TaskSerializer(serializers.ModelSerializer[Task]):
    """The columns of our list."""

    id = serializers.CharField(source="public_id", read_only=True)
    batch = serializers.CharField(source="batch.public_id", read_only=True)
    project = serializers.CharField(source="project.public_id", read_only=True)
    candidate = serializers.CharField(source="candidate.public_id", default=None, read_only=True)
    gold = serializers.BooleanField(source="is_gold", read_only=True)

    class Meta:
        model = Task
        fields = (
            "id",
            "batch",
            "project",
            "type",
            "schema_version",
            "external_id",
            "status",
            "gold",
            "review_side",
            "review_by",
            "candidate",
            "rater_agreement",
            "created_at",
            "finished_at",
            "payload",
        )
        extra_kwargs = {
            "payload": {"write_only": True},
            "status": {"read_only": True},
            "schema_version": {"read_only": True},
        }


class ByKey(pagination.CursorPagination):
    """Fifty rows."""

    page_size = 50
    ordering = "-id"


class Stock(generics.GenericAPIView[Task]):
    """What both views share."""

    authentication_classes = (BearerAuthentication,)
    permission_classes = ()
    renderer_classes = (renderers.JSONRenderer,)
    parser_classes = (parsers.JSONParser,)
    serializer_class = TaskSerializer
    pagination_class = ByKey

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Bind the same scope as ours."""
        super().initial(request, *args, **kwargs)
        scope.bind(request.auth)  # type: ignore[arg-type]  # our authentication gives a Principal


class StockList(Stock, generics.ListAPIView[Task]):
    """GET, fifty rows."""

    def get_queryset(self) -> QuerySet[Task]:
        """The lab's tasks."""
        return Task.objects.visible_to(self.request.auth).select_related("batch", "project", "candidate")  # type: ignore[arg-type]  # a Principal


class StockBulk(Stock, generics.CreateAPIView[Task]):
    """POST a list; ``many=True`` saves row by row."""

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """Of a list."""
        return super().get_serializer(*args, **{**kwargs, "many": True})

    def perform_create(self, serializer: Any) -> None:
        """Into the batch."""
        batch = Batch.objects.visible_to(self.request.auth).get(public_id=self.kwargs["batch"])  # type: ignore[arg-type]  # a Principal
        serializer.save(tenant_id=batch.tenant_id, batch=batch, project_id=batch.project_id, schema_version=1)


urlpatterns = [
    *product,
    path("stock/tasks", StockList.as_view()),
    path("stock/batches/<str:batch>/tasks", StockBulk.as_view()),
]
