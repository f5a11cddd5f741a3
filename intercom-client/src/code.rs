//! The codes of Intercom's error envelope.

use crate::open_enum::open_enum;

open_enum! {
    /// Why Intercom refused a request: `errors[0].code` of the reply.
    ///
    /// Taken from the description of the API, the official SDKs and public threads; the list is
    /// open, and what is not named here is [`Code::Other`].
    Code {
        /// The token is not accepted (401).
        Unauthorized = "unauthorized",
        /// The token may not do this (401 or 403).
        TokenUnauthorized = "token_unauthorized",
        /// There is no such token.
        TokenNotFound = "token_not_found",
        /// The token was revoked.
        TokenRevoked = "token_revoked",
        /// The token is suspended.
        TokenSuspended = "token_suspended",
        /// Not allowed (403).
        Forbidden = "forbidden",
        /// The plan of the workspace does not include this (403).
        ApiPlanRestricted = "api_plan_restricted",
        /// The version header names no version, or one without this endpoint (400).
        IntercomVersionInvalid = "intercom_version_invalid",
        /// The request is malformed (400).
        BadRequest = "bad_request",
        /// A parameter has a wrong value (400 or 422).
        ParameterInvalid = "parameter_invalid",
        /// A parameter is missing (400).
        ParameterNotFound = "parameter_not_found",
        /// Two parameters contradict each other (400).
        ParameterMismatch = "parameter_mismatch",
        /// A parameter is missing (400).
        MissingParameter = "missing_parameter",
        /// A parameter has a wrong type (400).
        TypeMismatch = "type_mismatch",
        /// The data was refused (422).
        DataInvalid = "data_invalid",
        /// There is no such attribute (404).
        FieldNotFound = "field_not_found",
        /// There is no such object (404).
        NotFound = "not_found",
        /// There is no such admin (404).
        AdminNotFound = "admin_not_found",
        /// There is no such team (404).
        TeamNotFound = "team_not_found",
        /// There is no such admin or team to assign to (404).
        AssigneeNotFound = "assignee_not_found",
        /// There is no such tag (404).
        TagNotFound = "tag_not_found",
        /// There is no such conversation attribute (404).
        ConversationAttributeNotFound = "conversation_attribute_not_found",
        /// An object of this identity exists already (409).
        Conflict = "conflict",
        /// A user of this identity exists already (409).
        UniqueUserConstraint = "unique_user_constraint",
        /// The object is being changed by somebody else (409).
        ResourceConflict = "resource_conflict",
        /// The contact was merged into another (410).
        ContactMerged = "contact_merged",
        /// The contact is blocked and cannot be brought back.
        NotRestorable = "not_restorable",
        /// A segment or the like still uses the tag (400).
        TagHasDependentObjects = "tag_has_dependent_objects",
        /// The conversation is assigned so already (422).
        ConversationAlreadyAssigned = "conversation_already_assigned_to_assignee",
        /// The workspace has as many custom attributes as it may have.
        CustomDataLimitReached = "custom_data_limit_reached",
        /// A search is sorted by an order that does not exist (400).
        InvalidSortOrder = "invalid_sort_order",
        /// The quota of the window is used up (429).
        RateLimitExceeded = "rate_limit_exceeded",
        /// Intercom is not available (503).
        ServiceUnavailable = "service_unavailable",
    }
}
