package app.muzzle.core

import android.os.Handler
import android.os.Looper
import java.util.concurrent.Executor
import java.util.concurrent.Executors

/** Runs what reads the disk off the main thread, and hands the answer back to it. */
class Work(
    private val background: Executor = Executors.newFixedThreadPool(2) { Thread(it, "work").apply { isDaemon = true } },
    private val main: Executor = Executor { Handler(Looper.getMainLooper()).post(it) },
) {
    /** [then] gets the answer or why there is none, on the main thread, unless the ticket was cancelled. */
    fun <T> run(
        job: () -> T,
        then: (Result<T>) -> Unit,
    ): Ticket {
        val ticket = Ticket()
        background.execute {
            if (!ticket.cancelled) {
                val result = runCatching(job)
                tell { if (!ticket.cancelled) then(result) }
            }
        }
        return ticket
    }

    /** Says something on the main thread. */
    fun tell(what: Runnable) = main.execute(what)

    class Ticket {
        @Volatile
        var cancelled = false
            private set

        fun cancel() {
            cancelled = true
        }
    }

    companion object {
        /** With a thread for each job: one that waits for somebody else holds up no other. */
        fun apart() = Work(background = { Thread(it, "apart").apply { isDaemon = true }.start() })
    }
}
