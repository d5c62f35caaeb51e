package app.muzzle.core

import android.os.Handler
import android.os.Looper

/**
 * Looks for events newer than [newest] that fit a filter, on a thread of its own, as long as somebody
 * looks. The core wakes it: nothing is asked while nothing happens.
 */
class EventWatch(
    private val core: () -> Core,
    private val filter: Filter,
    private var newest: Long,
    /** Gets what came, the oldest first, on the watch's thread. */
    private val learn: (List<EventRow>) -> Unit,
    /** Gets the same on the main thread, unless the watch was stopped. */
    private val take: (List<EventRow>) -> Unit,
) : Runnable {
    private val main = Handler(Looper.getMainLooper())

    @Volatile
    private var stopped = false

    fun stop() {
        stopped = true
    }

    override fun run() {
        while (!stopped) {
            try {
                follow(core())
            } catch (e: CoreException) {
                if (e.code in OVER) return
                // Such as a log that is being wiped.
                pause(WAIT_MS.toLong())
            }
        }
    }

    private fun follow(core: Core) {
        var seen = core.lastId()
        while (!stopped) {
            val rows = core.events(filter, afterId = newest)
            if (rows.isNotEmpty()) give(rows)
            if (rows.size < Core.PAGE) seen = next(core, seen)
        }
    }

    private fun next(
        core: Core,
        seen: Long,
    ): Long {
        var last = seen
        while (last == seen && !stopped) last = core.awaitEvents(seen, WAIT_MS)
        return last
    }

    private fun give(rows: List<EventRow>) {
        newest = rows.last().id
        learn(rows)
        main.post { if (!stopped) take(rows) }
        // A busy log is shown a few times a second, not at each event.
        pause(REST_MS)
    }

    private fun pause(ms: Long) {
        try {
            Thread.sleep(ms)
        } catch (_: InterruptedException) {
            stopped = true
        }
    }

    private companion object {
        /** How soon a stopped watch ends. */
        const val WAIT_MS = 2000
        const val REST_MS = 300L

        /** The core is closed: nothing will come any more. */
        val OVER = setOf("closed", "bad-handle")
    }
}
