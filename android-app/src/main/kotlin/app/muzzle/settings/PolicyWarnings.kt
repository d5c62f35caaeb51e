package app.muzzle.settings

import app.muzzle.core.Warning
import java.util.concurrent.CopyOnWriteArrayList

/** What the core said about the owner's choices. Listeners get what is new, on the thread that told it. */
class PolicyWarnings {
    private val listeners = CopyOnWriteArrayList<(List<Warning>) -> Unit>()
    private var now = emptySet<Warning>()

    @Synchronized
    fun told(warnings: List<Warning>) {
        val fresh = warnings - now
        now = warnings.toSet()
        if (fresh.isNotEmpty()) listeners.forEach { it(fresh) }
    }

    fun listen(listener: (List<Warning>) -> Unit) {
        listeners += listener
    }

    fun forget(listener: (List<Warning>) -> Unit) {
        listeners -= listener
    }
}
