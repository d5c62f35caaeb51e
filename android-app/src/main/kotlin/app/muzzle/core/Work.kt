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
                main.execute { if (!ticket.cancelled) then(result) }
            }
        }
        return ticket
    }

    class Ticket {
        @Volatile
        var cancelled = false
            private set

        fun cancel() {
            cancelled = true
        }
    }
}
