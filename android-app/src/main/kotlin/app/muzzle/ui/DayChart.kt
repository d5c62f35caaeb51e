package app.muzzle.ui

import android.content.Context
import android.graphics.Canvas
import android.graphics.Paint
import android.graphics.RectF
import android.os.Bundle
import android.util.AttributeSet
import android.view.MotionEvent
import android.view.View
import android.view.accessibility.AccessibilityNodeInfo
import app.muzzle.R
import app.muzzle.core.Bar
import java.text.NumberFormat
import java.time.Instant
import java.time.ZoneId
import java.time.format.TextStyle

/** Bars of some days, stacked by what became of the events. Says itself in words to a screen reader. */
class DayChart
    @JvmOverloads
    constructor(
        context: Context,
        attributes: AttributeSet? = null,
    ) : View(context, attributes) {
        private var bars = emptyList<Bar>()
        private var zone = ZoneId.systemDefault()
        private val paint = Paint(Paint.ANTI_ALIAS_FLAG)
        private val box = RectF()
        private val gap = 8 * resources.displayMetrics.density
        private val label = 12 * resources.displayMetrics.density * resources.configuration.fontScale

        /** Told the number of the bar that was touched. */
        var onBar: (Int) -> Unit = {}

        fun show(
            bars: List<Bar>,
            zone: ZoneId,
        ) {
            this.bars = bars
            this.zone = zone
            val number = NumberFormat.getIntegerInstance()
            contentDescription =
                bars.joinToString("; ") {
                    val counts = it.counts
                    val figures = listOf(counts.held, counts.readable, counts.closed).map(number::format)
                    context.getString(R.string.chart_day, day(it, TextStyle.FULL), figures[0], figures[1], figures[2])
                }
            invalidate()
        }

        override fun onDraw(canvas: Canvas) {
            val most = bars.maxOfOrNull { it.counts.total } ?: return
            val slot = width.toFloat() / bars.size
            val floor = height - label * 1.6f
            bars.forEachIndexed { index, bar ->
                val start = (if (layoutDirection == LAYOUT_DIRECTION_RTL) bars.size - 1 - index else index) * slot
                drawBar(canvas, bar, start, slot, floor, (floor - label * 1.4f) / most.coerceAtLeast(1))
            }
        }

        private fun drawBar(
            canvas: Canvas,
            bar: Bar,
            start: Float,
            slot: Float,
            floor: Float,
            unit: Float,
        ) {
            var bottom = floor
            val parts =
                listOf(
                    bar.counts.held to R.color.stopped,
                    bar.counts.readable to R.color.readable,
                    bar.counts.closed to R.color.encrypted,
                )
            for ((count, color) in parts) {
                if (count == 0L) continue
                box.set(start + gap / 2, bottom - count * unit, start + slot - gap / 2, bottom)
                paint.color = context.getColor(color)
                canvas.drawRect(box, paint)
                bottom = box.top - 2
            }
            paint.textAlign = Paint.Align.CENTER
            paint.textSize = label
            paint.color = context.getColor(R.color.text_dim)
            val middle = start + slot / 2
            canvas.drawText(day(bar, TextStyle.SHORT), middle, height - label * 0.3f, paint)
            canvas.drawText(NumberFormat.getIntegerInstance().format(bar.counts.total), middle, bottom - label * 0.3f, paint)
        }

        private fun day(
            bar: Bar,
            style: TextStyle,
        ): String =
            Instant
                .ofEpochMilli(bar.since)
                .atZone(zone)
                .dayOfWeek
                .getDisplayName(style, resources.configuration.locales[0])

        override fun onTouchEvent(event: MotionEvent): Boolean {
            if (event.action == MotionEvent.ACTION_UP && bars.isNotEmpty()) {
                val at = (event.x / width * bars.size).toInt().coerceIn(bars.indices)
                onBar(if (layoutDirection == LAYOUT_DIRECTION_RTL) bars.size - 1 - at else at)
                performClick()
            }
            return true
        }

        override fun performClick(): Boolean = super.performClick()

        /** A screen reader offers each day: it cannot touch a part of a view. */
        override fun onInitializeAccessibilityNodeInfo(info: AccessibilityNodeInfo) {
            super.onInitializeAccessibilityNodeInfo(info)
            bars.forEachIndexed { index, bar ->
                info.addAction(AccessibilityNodeInfo.AccessibilityAction(FIRST_DAY + index, day(bar, TextStyle.FULL)))
            }
        }

        override fun performAccessibilityAction(
            action: Int,
            arguments: Bundle?,
        ): Boolean {
            val bar = action - FIRST_DAY
            if (bar !in bars.indices) return super.performAccessibilityAction(action, arguments)
            onBar(bar)
            return true
        }

        private companion object {
            /** Above the system's own actions. */
            const val FIRST_DAY = 0x0100_0000
        }
    }

/** A thin bar as long as a share of the whole. */
class ShareBar
    @JvmOverloads
    constructor(
        context: Context,
        attributes: AttributeSet? = null,
    ) : View(context, attributes) {
        private val paint = Paint(Paint.ANTI_ALIAS_FLAG).apply { color = context.getColor(R.color.accent) }

        /** 0 to 1. */
        var share = 0f
            set(value) {
                field = value.coerceIn(0f, 1f)
                invalidate()
            }

        override fun onDraw(canvas: Canvas) {
            val long = width * share
            val start = if (layoutDirection == LAYOUT_DIRECTION_RTL) width - long else 0f
            canvas.drawRoundRect(start, 0f, start + long, height.toFloat(), height / 2f, height / 2f, paint)
        }
    }
