package app.muzzle.core

import org.json.JSONArray
import org.json.JSONObject

/**
 * The core, typed. One object for the life of the process; docs/jni.md says what each call does.
 * Queries read the disk: not for the main thread.
 */
class Core(private val handle: Long) : AutoCloseable {
    /** good, full, read-only, locked, corrupt, failed or closed. */
    fun storeState(): String = JSONObject(NativeCore.snapshot(handle)).optJSONObject("store")?.optString("state") ?: ""

    fun setPolicy(policy: JSONObject) {
        NativeCore.setPolicy(handle, policy.versioned().toString())
    }

    /** The descriptor belongs to the core from here on. */
    fun attachTun(
        fd: Int,
        reach: Reach,
        resolvers: List<String>,
    ) = NativeCore.attachTun(
        handle,
        fd,
        JSONObject()
            .put("reach", reach.code)
            .put("resolvers", JSONArray(resolvers))
            .versioned()
            .toString(),
    )

    fun detachTun() = NativeCore.detachTun(handle)

    fun networkChanged(resolvers: List<String>) =
        NativeCore.onNetworkChanged(handle, JSONObject().put("resolvers", JSONArray(resolvers)).versioned().toString())

    /** Newest first; [beforeId] is the last row of the page before. */
    fun events(
        filter: Filter = Filter(),
        beforeId: Long? = null,
        limit: Int = PAGE,
    ): List<EventRow> =
        query("events") {
            put("filter", filter.json())
            putOpt("before_id", beforeId)
            put("limit", limit)
        }.list("rows", EventRow::of)

    /** The whole event in the form of docs/events.md. */
    fun event(id: Long): JSONObject? = query("event") { put("id", id) }.optJSONObject("event")

    fun raw(id: Long): JSONObject? = query("raw") { put("id", id) }.optJSONObject("raw")

    /** One bar from each bound to the next; times in milliseconds. */
    fun chart(bounds: List<Long>): List<Bar> =
        query("chart") { put("bounds", JSONArray(bounds)) }
            .list("bars") { Bar(it.getLong("since"), Counts.of(it)) }

    fun kinds(
        since: Long? = null,
        packageName: String? = null,
    ): List<KindCount> =
        query("kinds") {
            putOpt("since", since)
            putOpt("package", packageName)
        }.list("kinds") { KindCount(it.getString("kind"), it.getLong("events")) }

    fun apps(since: Long? = null): List<AppCount> = query("apps") { putOpt("since", since) }.list("apps", AppCount::of)

    fun hosts(
        packageName: String? = null,
        since: Long? = null,
    ): List<HostCount> =
        query("hosts") {
            putOpt("package", packageName)
            putOpt("since", since)
        }.list("hosts", HostCount::of)

    fun identifiers(packageName: String? = null): List<Identifier> =
        query("identifiers") { putOpt("package", packageName) }.list("identifiers", Identifier::of)

    fun stops(
        packageName: String? = null,
        limit: Int = 10,
    ): List<Stop> =
        query("stops") {
            putOpt("package", packageName)
            put("limit", limit)
        }.list("stops", Stop::of)

    fun host(
        host: String,
        uid: Int? = null,
    ): HostAnswer =
        HostAnswer.of(
            query("host") {
                put("host", host)
                putOpt("uid", uid)
            },
        )

    fun rules(
        text: String?,
        category: String?,
        offset: Int,
        limit: Int = PAGE,
    ): RulePage =
        RulePage.of(
            query("rules") {
                putOpt("text", text)
                putOpt("category", category)
                put("offset", offset)
                put("limit", limit)
            },
        )

    fun lists(): ListsAnswer = ListsAnswer.of(query("lists") {})

    fun gaps(since: Long? = null): List<Gap> = query("gaps") { putOpt("since", since) }.list("gaps", Gap::of)

    fun store(): StoreFacts = StoreFacts.of(query("store") {})

    fun exportSize(request: ExportRequest): ExportSize = query("export-size") { request.into(this) }.let(ExportSize::of)

    /** How the newest event that fits would be written. */
    fun preview(request: ExportRequest): String = query("preview") { request.into(this) }.optString("text")

    /** Blocks until all is written. The descriptor belongs to the core from here on. */
    fun export(
        fd: Int,
        request: ExportRequest,
        progress: NativeCore.Progress?,
    ): ExportSize =
        ExportSize.of(
            JSONObject(
                NativeCore.export(handle, fd, JSONObject().also(request::into).versioned().toString(), progress),
            ),
        )

    fun flush() = command("flush") {}

    fun wipe() = command("wipe") {}

    fun keep(
        days: Int,
        maxBytes: Long,
    ) = command("keep") { put("days", days).put("max_bytes", maxBytes) }

    /** Protection was wanted and did not run. [end] is null while it lasts. */
    fun gap(
        start: Long,
        end: Long?,
        reason: String,
    ) = command("gap") { put("start", start).putOpt("end", end).put("reason", reason) }

    override fun close() = NativeCore.close(handle)

    private fun query(
        name: String,
        fill: JSONObject.() -> Unit,
    ): JSONObject =
        JSONObject(
            NativeCore.query(
                handle,
                JSONObject()
                    .put("q", name)
                    .apply(fill)
                    .versioned()
                    .toString(),
            ),
        )

    private fun command(
        name: String,
        fill: JSONObject.() -> Unit,
    ) = NativeCore.command(
        handle,
        JSONObject()
            .put("do", name)
            .apply(fill)
            .versioned()
            .toString(),
    )

    companion object {
        /** Rows of one page. */
        const val PAGE = 100

        /** Throws [CoreException]. */
        fun open(
            config: OpenConfig,
            upcalls: NativeCore.Upcalls,
        ): Core = Core(NativeCore.open(config.json().versioned().toString(), upcalls))
    }
}

private fun JSONObject.versioned(): JSONObject = put("v", 1)
