package app.muzzle.service

import android.app.Notification
import android.app.NotificationChannel
import android.app.NotificationManager
import android.app.PendingIntent
import android.app.Service
import android.content.Context
import android.content.Intent
import android.graphics.drawable.Icon
import app.muzzle.Graph
import app.muzzle.R
import app.muzzle.ui.MainActivity
import app.muzzle.ui.StateWords
import app.muzzle.ui.stateWords
import java.text.NumberFormat
import java.time.LocalDate

/** The notification that stays while the service runs, and the one that says that nothing is protected. */
class Notices(
    private val context: Context,
) {
    private val manager = checkNotNull(context.getSystemService(NotificationManager::class.java))

    init {
        channel(RUNNING, R.string.channel_running, NotificationManager.IMPORTANCE_LOW)
        channel(TROUBLE, R.string.channel_trouble, NotificationManager.IMPORTANCE_DEFAULT)
    }

    fun startForeground(
        service: Service,
        state: ProtectionState,
        stoppedToday: Long?,
    ) {
        val notification = build(state, stoppedToday)
        if (NewerApi.hasSpecialUse) {
            NewerApi.startSpecialUse(service, RUNNING_ID, notification)
        } else {
            service.startForeground(RUNNING_ID, notification)
        }
    }

    /** The count may be null: not known yet. */
    fun running(
        state: ProtectionState,
        stoppedToday: Long?,
    ) = manager.notify(RUNNING_ID, build(state, stoppedToday))

    fun trouble(
        state: ProtectionState,
        wanted: Boolean,
    ) {
        if (state is ProtectionState.Failed && wanted) {
            manager.notify(TROUBLE_ID, plain(TROUBLE, stateWords(context, state)).build())
        } else {
            manager.cancel(TROUBLE_ID)
        }
    }

    private fun build(
        state: ProtectionState,
        stoppedToday: Long?,
    ): Notification {
        val words = stateWords(context, state)
        val title = if (state is ProtectionState.On && stoppedToday != null) counted(words.title, stoppedToday) else words.title
        val builder = plain(RUNNING, words.copy(title = title)).setOngoing(true)
        when (state) {
            is ProtectionState.On -> builder.addAction(action(R.string.pause, MuzzleService.ACTION_PAUSE))
            is ProtectionState.Paused -> builder.addAction(action(R.string.resume, MuzzleService.ACTION_RESUME))
            else -> Unit
        }
        return builder.addAction(action(R.string.stop, MuzzleService.ACTION_STOP)).build()
    }

    private fun counted(
        title: String,
        count: Long,
    ): String {
        val number = NumberFormat.getIntegerInstance().format(count)
        val few = count.coerceAtMost(Int.MAX_VALUE.toLong()).toInt()
        return "$title · ${context.resources.getQuantityString(R.plurals.stopped_today, few, number)}"
    }

    private fun plain(
        channel: String,
        words: StateWords,
    ) = Notification
        .Builder(context, channel)
        .setSmallIcon(R.drawable.ic_stopped)
        .setContentTitle(words.title)
        .setContentText(words.text)
        .setContentIntent(PendingIntent.getActivity(context, 0, Intent(context, MainActivity::class.java), IMMUTABLE))
        .setOnlyAlertOnce(true)
        .setVisibility(Notification.VISIBILITY_PRIVATE)

    private fun action(
        word: Int,
        action: String,
    ): Notification.Action {
        val intent = Intent(context, MuzzleService::class.java).setAction(action)
        val pending = PendingIntent.getService(context, 0, intent, IMMUTABLE)
        return Notification.Action
            .Builder(Icon.createWithResource(context, R.drawable.ic_stopped), context.getString(word), pending)
            .build()
    }

    private fun channel(
        id: String,
        name: Int,
        importance: Int,
    ) {
        val channel = NotificationChannel(id, context.getString(name), importance)
        channel.setShowBadge(false)
        manager.createNotificationChannel(channel)
    }

    companion object {
        const val RUNNING_ID = 1
        const val TROUBLE_ID = 2
        private const val RUNNING = "running"
        private const val TROUBLE = "trouble"
        private const val IMMUTABLE = PendingIntent.FLAG_IMMUTABLE
    }
}

/** Events of today of which nothing left the phone. Reads the disk. */
fun stoppedToday(graph: Graph): Long {
    val zone = graph.clock.zone
    val today = LocalDate.now(graph.clock)
    val bounds = listOf(today, today.plusDays(1)).map { it.atStartOfDay(zone).toInstant().toEpochMilli() }
    return graph.core.chart(bounds).sumOf { it.counts.held }
}
