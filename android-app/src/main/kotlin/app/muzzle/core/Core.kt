package app.muzzle.core

import android.os.StrictMode
import org.json.JSONArray
import org.json.JSONObject

/**
 * The core, typed. One object for the life of the process; docs/jni.md says what each call does.
 * Nothing of it is for the main thread: it reads the disk, or waits for who does.
 */
class Core(private val handle: Long) : AutoCloseable {
    /** good, full, read-only, locked, corrupt, failed or closed. */
    fun storeState(): String = snapshot().optJSONObject("store")?.optString("state") ?: ""

    fun dataPlane(): Plane = Plane.of(snapshot().getJSONObject("plane"))

    private fun snapshot(): JSONObject = slow { JSONObject(NativeCore.snapshot(handle)) }

    /** What the owner should know about these choices. */
    fun setPolicy(policy: JSONObject): List<Warning> =
        slow { JSONObject(NativeCore.setPolicy(handle, policy.versioned().toString())).list("warnings", Warning::of) }

    /**
     * Takes a list in that somebody else wrote, in place of one of its name; in force from here on. One that cannot
     * be taken changes nothing. The descriptor belongs to the core from here on. With [below], plain names stand for all
     * that is under them.
     */
    fun importList(
        fd: Int,
        name: String,
        source: String,
        below: Boolean,
    ): ImportReport =
        slow {
            val request = JSONObject().put("name", name).put("source", source).put("below", below).versioned().toString()
            ImportReport.of(JSONObject(NativeCore.importList(handle, fd, request)))
        }

    fun removeList(name: String) = command("remove-list") { put("name", name) }

    /** The descriptor belongs to the core from here on. */
    fun attachTun(
        fd: Int,
        reach: Reach,
        resolvers: List<String>,
    ) = slow {
        val request = JSONObject().put("reach", reach.code).put("resolvers", JSONArray(resolvers))
        NativeCore.attachTun(handle, fd, request.versioned().toString())
    }

    fun detachTun() = slow { NativeCore.detachTun(handle) }

    fun networkChanged(resolvers: List<String>) =
        slow {
            NativeCore.onNetworkChanged(handle, JSONObject().put("resolvers", JSONArray(resolvers)).versioned().toString())
        }

    /** Newest first, where [beforeId] is the last row of the page before; oldest first where [afterId] is the newest known. */
    fun events(
        filter: Filter = Filter(),
        beforeId: Long? = null,
        afterId: Long? = null,
        limit: Int = PAGE,
    ): List<EventRow> =
        query("events") {
            put("filter", filter.json())
            putOpt("before_id", beforeId)
            putOpt("after_id", afterId)
            put("limit", limit)
        }.list("rows", EventRow::of)

    /** The id of the newest event, or 0. */
    fun lastId(): Long = snapshot().optLong("last_id")

    /** Waits until there are events after [afterId], or [timeoutMs] are over. Gives the id to go on from. */
    fun awaitEvents(
        afterId: Long,
        timeoutMs: Int,
    ): Long = slow { JSONObject(NativeCore.nextEvents(handle, afterId, PAGE, timeoutMs)).getLong("last") }

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

    /** With what happens to each now for this [uid]; events may be of one that the package had before. */
    fun hosts(
        packageName: String? = null,
        uid: Int? = null,
    ): List<HostCount> =
        query("hosts") {
            putOpt("package", packageName)
            putOpt("uid", uid)
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
        slow {
            ExportSize.of(
                JSONObject(
                    NativeCore.export(handle, fd, JSONObject().also(request::into).versioned().toString(), progress),
                ),
            )
        }

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

    override fun close() = slow { NativeCore.close(handle) }

    private fun query(
        name: String,
        fill: JSONObject.() -> Unit,
    ): JSONObject =
        slow {
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
        }

    private fun command(
        name: String,
        fill: JSONObject.() -> Unit,
    ) = slow {
        NativeCore.command(
            handle,
            JSONObject()
                .put("do", name)
                .apply(fill)
                .versioned()
                .toString(),
        )
    }

    companion object {
        /** Rows of one page. */
        const val PAGE = 100

        fun version(): String = slow { JSONObject(NativeCore.version()).getString("version") }

        /** Throws [CoreException]. */
        fun open(
            config: OpenConfig,
            upcalls: NativeCore.Upcalls,
        ): Core = slow { Core(NativeCore.open(config.json().versioned().toString(), upcalls)) }
    }
}

/** Every native goes through here: StrictMode is told, as it does not see what native code does. */
private inline fun <T> slow(work: () -> T): T {
    StrictMode.noteSlowCall("core")
    return work()
}

private fun JSONObject.versioned(): JSONObject = put("v", 1)
