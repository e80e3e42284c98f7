"""Addresses of the floor ``tasks``."""

from __future__ import annotations

from django.urls import path

from tasks.api import (
    batches,
    claims,
    deliveries,
    expert_submissions,
    files,
    lab_tasks,
    rubrics,
    submissions,
    type_list,
)

lab_urlpatterns = [
    path("task-types", type_list.TaskTypeList.as_view()),
    path("task-types/<str:type_code>/schema", type_list.TaskTypeSchema.as_view()),
    path("projects/<str:project_id>/batches", batches.BatchList.as_view()),
    path("batches/<str:batch_id>", batches.BatchDetail.as_view()),
    path("batches/<str:batch_id>/launch", batches.BatchLaunch.as_view()),
    path("batches/<str:batch_id>/pause", batches.BatchPause.as_view()),
    path("batches/<str:batch_id>/resume", batches.BatchResume.as_view()),
    path("batches/<str:batch_id>/cancel", batches.BatchCancel.as_view()),
    path("batches/<str:batch_id>/tasks", batches.BatchTasks.as_view()),
    path("tasks", lab_tasks.TaskList.as_view()),
    path("tasks/<str:task_id>", lab_tasks.TaskDetail.as_view()),
    path("tasks/<str:task_id>/cancel", lab_tasks.TaskCancel.as_view()),
    path("files", files.FileList.as_view()),
    path("files/<str:file_id>", files.FileDetail.as_view()),
    path("files/<str:file_id>/download", files.FileDownload.as_view()),
    path("rubrics", rubrics.RubricList.as_view()),
    path("rubrics/import", rubrics.RubricImport.as_view()),
    path("rubrics/lint", rubrics.RubricLint.as_view()),
    path("rubrics/<str:rubric_id>", rubrics.RubricDetail.as_view()),
    path("rubrics/<str:rubric_id>/score", rubrics.RubricScore.as_view()),
    path("submissions", submissions.SubmissionList.as_view()),
    path("submissions/<str:submission_id>", submissions.SubmissionDetail.as_view()),
    path("submissions/<str:submission_id>/accept", submissions.SubmissionAccept.as_view()),
    path("submissions/<str:submission_id>/request-rework", submissions.SubmissionRework.as_view()),
    path("submissions/<str:submission_id>/reject", submissions.SubmissionReject.as_view()),
    path("projects/<str:project_id>/deliveries", deliveries.DeliveryList.as_view()),
    path("deliveries/<str:delivery_id>", deliveries.DeliveryDetail.as_view()),
    path("deliveries/<str:delivery_id>/download", deliveries.DeliveryDownload.as_view()),
]

expert_urlpatterns = [
    path("claims", claims.ClaimList.as_view()),
    path("claims/<str:claim_id>", claims.ClaimDetail.as_view()),
    path("claims/<str:claim_id>/draft", claims.ClaimDraft.as_view()),
    path("claims/<str:claim_id>/submit", claims.ClaimSubmit.as_view()),
    path("claims/<str:claim_id>/release", claims.ClaimRelease.as_view()),
    path("claims/<str:claim_id>/report", claims.ClaimReport.as_view()),
    path("submissions", expert_submissions.OwnSubmissionList.as_view()),
    path("submissions/<str:submission_id>", expert_submissions.OwnSubmissionDetail.as_view()),
    path("files/<str:file_id>/download", files.ExpertFileDownload.as_view()),
]
