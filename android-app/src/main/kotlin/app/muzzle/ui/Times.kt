package app.muzzle.ui

import android.content.Context
import android.text.format.DateUtils
import app.muzzle.R
import java.text.DateFormat
import java.time.Clock
import java.time.Instant
import java.time.LocalDate
import java.util.Date
import java.util.TimeZone

/** Times in the words of the phone's language and clock. Milliseconds in. For the main thread. */
class Times(
    private val context: Context,
    private val clock: Clock,
) {
    private val zone = TimeZone.getTimeZone(clock.zone)
    private val locale = context.resources.configuration.locales[0]
    private val time = android.text.format.DateFormat.getTimeFormat(context).zoned()
    private val date = DateFormat.getDateInstance(DateFormat.FULL, locale).zoned()
    private val exact = DateFormat.getDateTimeInstance(DateFormat.MEDIUM, DateFormat.MEDIUM, locale).zoned()

    fun time(at: Long): String = time.format(Date(at))

    fun exact(at: Long): String = exact.format(Date(at))

    /** Such as "3 hours ago". */
    fun ago(at: Long): String = DateUtils.getRelativeTimeSpanString(at, clock.millis(), DateUtils.MINUTE_IN_MILLIS).toString()

    fun dayOf(at: Long): LocalDate = Instant.ofEpochMilli(at).atZone(clock.zone).toLocalDate()

    fun day(day: LocalDate): String {
        val today = LocalDate.now(clock)
        return when (day) {
            today -> context.getString(R.string.today)
            today.minusDays(1) -> context.getString(R.string.yesterday)
            else -> date.format(Date.from(day.atStartOfDay(clock.zone).toInstant()))
        }
    }

    /** From when to when, with the days where they are not the same. */
    fun span(
        start: Long,
        end: Long?,
    ): String {
        val until = end?.let { if (dayOf(it) == dayOf(start)) time(it) else exact(it) } ?: context.getString(R.string.now)
        return context.getString(R.string.span, time(start), until)
    }

    /** Midnight of this day, milliseconds. */
    fun midnight(): Long =
        LocalDate
            .now(clock)
            .atStartOfDay(clock.zone)
            .toInstant()
            .toEpochMilli()

    private fun DateFormat.zoned() = apply { timeZone = zone }
}
